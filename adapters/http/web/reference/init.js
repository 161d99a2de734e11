"use strict";

SwaggerUIBundle({
  url: "/api/openapi",
  dom_id: "#reference",
  validatorUrl: null, // or the document would be sent to a stranger
  deepLinking: true,
  showExtensions: true, // the codes of each status are one
  displayRequestDuration: true,
});
