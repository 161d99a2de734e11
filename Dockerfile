FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel COMMIT=unknown DATE=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT -X main.date=$DATE" \
      -o /gatehouse ./cmd/gatehouse
RUN install -d -m 0700 -o 65532 -g 65532 /data /data/avatars

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /gatehouse /gatehouse
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
ENV GATEHOUSE_DATA_DIR=/data \
    GATEHOUSE_HTTP_ADDRESS=:8080 \
    GATEHOUSE_INTERNAL_ADDRESS=127.0.0.1:8081
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s CMD ["/gatehouse", "healthcheck"]
ENTRYPOINT ["/gatehouse"]
CMD ["serve"]
