package fault

// Code identifies a fault. Codes are API: never renamed, never reused.
type Code string

// Error makes a code usable with [errors.Is].
func (c Code) Error() string { return string(c) }

// The codes, each as §11 of the contract means it. Codes() must list every one
// of them; a test compares the two.
const (
	AccessTokenAllowlistReadingFailure  Code = "ACCESS_TOKEN_ALLOWLIST_READING_FAILURE"
	AccessTokenExpired                  Code = "ACCESS_TOKEN_EXPIRED"
	AccessTokenInvalid                  Code = "ACCESS_TOKEN_INVALID"
	AlreadyAuthenticated                Code = "ALREADY_AUTHENTICATED"
	AtLeastOneAdminRequired             Code = "AT_LEAST_ONE_ADMIN_REQUIRED"
	AuthenticationRequired              Code = "AUTHENTICATION_REQUIRED"
	BadFileRequest                      Code = "BAD_FILE_REQUEST"
	CacheOperationFailure               Code = "CACHE_OPERATION_FAILURE"
	CannotDisableOnlyTwoFactorMethod    Code = "CANNOT_DISABLE_ONLY_TWO_FACTOR_METHOD"
	CannotDisconnectLastProvider        Code = "CANNOT_DISCONNECT_LAST_PROVIDER"
	CannotDisconnectPassword            Code = "CANNOT_DISCONNECT_PASSWORD"
	CrossSiteRequestRefused             Code = "CROSS_SITE_REQUEST_REFUSED"
	DatabaseEncryptionFailure           Code = "DATABASE_ENCRYPTION_FAILURE"
	DatabaseEntityNotFound              Code = "DATABASE_ENTITY_NOT_FOUND"
	DatabaseFailure                     Code = "DATABASE_FAILURE"
	EmailAlreadyVerified                Code = "EMAIL_ALREADY_VERIFIED"
	EmailCooldownActive                 Code = "EMAIL_COOLDOWN_ACTIVE"
	EmailDisabled                       Code = "EMAIL_DISABLED"
	EmailTaken                          Code = "EMAIL_TAKEN"
	EmailVerificationTokenExpired       Code = "EMAIL_VERIFICATION_TOKEN_EXPIRED"
	EmailVerificationTokenInvalid       Code = "EMAIL_VERIFICATION_TOKEN_INVALID"
	FileFailure                         Code = "FILE_FAILURE"
	FileMetadataFailure                 Code = "FILE_METADATA_FAILURE"
	FileMetadataOutOfSync               Code = "FILE_METADATA_OUT_OF_SYNC"
	FileNotFound                        Code = "FILE_NOT_FOUND"
	FileOperationFailure                Code = "FILE_OPERATION_FAILURE"
	GroupKeyExists                      Code = "GROUP_KEY_EXISTS"
	GroupNotFound                       Code = "GROUP_NOT_FOUND"
	GuestCannotPerformThisAction        Code = "GUEST_CANNOT_PERFORM_THIS_ACTION"
	GuestEmailTaken                     Code = "GUEST_EMAIL_TAKEN"
	GuestIsAlreadyUser                  Code = "GUEST_IS_ALREADY_USER"
	GuestNotFound                       Code = "GUEST_NOT_FOUND"
	HashFailure                         Code = "HASH_FAILURE"
	IPLoginRateLimitExceeded            Code = "IP_LOGIN_RATE_LIMIT_EXCEEDED"
	IPRateLimitExceeded                 Code = "IP_RATE_LIMIT_EXCEEDED"
	InternalError                       Code = "INTERNAL_ERROR"
	InvalidCredentials                  Code = "INVALID_CREDENTIALS"
	InvalidGroupTranslation             Code = "INVALID_GROUP_TRANSLATION"
	InvalidPrincipalDocument            Code = "INVALID_PRINCIPAL_DOCUMENT"
	InvalidRequest                      Code = "INVALID_REQUEST"
	InvalidUserDocument                 Code = "INVALID_USER_DOCUMENT"
	MemberUpdateFailure                 Code = "MEMBER_UPDATE_FAILURE"
	MethodNotAllowed                    Code = "METHOD_NOT_ALLOWED"
	MissingPasswordParameter            Code = "MISSING_PASSWORD_PARAMETER"
	NoPasswordProvider                  Code = "NO_PASSWORD_PROVIDER"
	NoTwoFactorCodeProvided             Code = "NO_2FA_CODE_PROVIDED"
	PasskeyAlreadyRegistered            Code = "PASSKEY_ALREADY_REGISTERED"
	PasskeyChallengeExpired             Code = "PASSKEY_CHALLENGE_EXPIRED"
	PasskeyCloned                       Code = "PASSKEY_CLONED"
	PasskeyInvalid                      Code = "PASSKEY_INVALID"
	PasskeyLimitReached                 Code = "PASSKEY_LIMIT_REACHED"
	PasskeyNotFound                     Code = "PASSKEY_NOT_FOUND"
	PasswordAlreadySet                  Code = "PASSWORD_ALREADY_SET"
	PasswordResetTokenExpired           Code = "PASSWORD_RESET_TOKEN_EXPIRED"
	PasswordResetTokenInvalid           Code = "PASSWORD_RESET_TOKEN_INVALID"
	PostCommitSideEffectFailure         Code = "POST_COMMIT_SIDE_EFFECT_FAILURE"
	PrincipalNotFound                   Code = "PRINCIPAL_NOT_FOUND"
	ProviderNotFound                    Code = "PROVIDER_NOT_FOUND"
	RefreshTokenExpired                 Code = "REFRESH_TOKEN_EXPIRED"
	RefreshTokenInvalid                 Code = "REFRESH_TOKEN_INVALID"
	RefreshTokenMissing                 Code = "REFRESH_TOKEN_MISSING"
	RequestTooLarge                     Code = "REQUEST_TOO_LARGE"
	RoleRequired                        Code = "ROLE_REQUIRED"
	RouteNotFound                       Code = "ROUTE_NOT_FOUND"
	SecretRotationOngoing               Code = "SECRET_ROTATION_ONGOING"
	ServiceOverloaded                   Code = "SERVICE_OVERLOADED"
	SessionExpired                      Code = "SESSION_EXPIRED"
	StepUpTokenCreationForbidden        Code = "STEP_UP_TOKEN_CREATION_FORBIDDEN"
	StepUpTokenExpired                  Code = "STEP_UP_TOKEN_EXPIRED"
	StepUpTokenInvalid                  Code = "STEP_UP_TOKEN_INVALID"
	StepUpTokenMissing                  Code = "STEP_UP_TOKEN_MISSING"
	TOTPCodeValidationFailure           Code = "TOTP_CODE_VALIDATION_FAILURE"
	TOTPSetupTokenExpired               Code = "TOTP_SETUP_TOKEN_EXPIRED"
	TOTPSetupTokenInvalid               Code = "TOTP_SETUP_TOKEN_INVALID"
	TokenCreationFailure                Code = "TOKEN_CREATION_FAILURE"
	TooManyAttempts                     Code = "TOO_MANY_ATTEMPTS"
	TwoFactorAuthenticationTokenExpired Code = "TWO_FACTOR_AUTHENTICATION_TOKEN_EXPIRED"
	TwoFactorAuthenticationTokenInvalid Code = "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID"
	TwoFactorAuthenticationTokenMissing Code = "TWO_FACTOR_AUTHENTICATION_TOKEN_MISSING"
	TwoFactorCodeExpired                Code = "TWO_FACTOR_CODE_EXPIRED"
	TwoFactorDisabled                   Code = "2FA_DISABLED"
	TwoFactorMethodAlreadyDisabled      Code = "TWO_FACTOR_METHOD_ALREADY_DISABLED"
	TwoFactorMethodAlreadyEnabled       Code = "TWO_FACTOR_METHOD_ALREADY_ENABLED"
	TwoFactorMethodDisabled             Code = "TWO_FACTOR_METHOD_DISABLED"
	UnmetAuthenticationRequirements     Code = "UNMET_AUTHENTICATION_REQUIREMENTS" // OpenID: unmet_authentication_requirements
	UnsupportedMediaType                Code = "UNSUPPORTED_MEDIA_TYPE"
	UserDisabled                        Code = "USER_DISABLED"
	UserNotFound                        Code = "USER_NOT_FOUND"
	UserRateLimitExceeded               Code = "USER_RATE_LIMIT_EXCEEDED"
	WrongTOTPRecoveryCode               Code = "WRONG_TOTP_RECOVERY_CODE"
	WrongTwoFactorCode                  Code = "WRONG_TWO_FACTOR_CODE"
)

// Codes lists every code, for adapters that must cover them all.
func Codes() []Code {
	return []Code{
		AccessTokenAllowlistReadingFailure,
		AccessTokenExpired,
		AccessTokenInvalid,
		AlreadyAuthenticated,
		AtLeastOneAdminRequired,
		AuthenticationRequired,
		BadFileRequest,
		CacheOperationFailure,
		CannotDisableOnlyTwoFactorMethod,
		CannotDisconnectLastProvider,
		CannotDisconnectPassword,
		CrossSiteRequestRefused,
		DatabaseEncryptionFailure,
		DatabaseEntityNotFound,
		DatabaseFailure,
		EmailAlreadyVerified,
		EmailCooldownActive,
		EmailDisabled,
		EmailTaken,
		EmailVerificationTokenExpired,
		EmailVerificationTokenInvalid,
		FileFailure,
		FileMetadataFailure,
		FileMetadataOutOfSync,
		FileNotFound,
		FileOperationFailure,
		GroupKeyExists,
		GroupNotFound,
		GuestCannotPerformThisAction,
		GuestEmailTaken,
		GuestIsAlreadyUser,
		GuestNotFound,
		HashFailure,
		IPLoginRateLimitExceeded,
		IPRateLimitExceeded,
		InternalError,
		InvalidCredentials,
		InvalidGroupTranslation,
		InvalidPrincipalDocument,
		InvalidRequest,
		InvalidUserDocument,
		MemberUpdateFailure,
		MethodNotAllowed,
		MissingPasswordParameter,
		NoPasswordProvider,
		NoTwoFactorCodeProvided,
		PasskeyAlreadyRegistered,
		PasskeyChallengeExpired,
		PasskeyCloned,
		PasskeyInvalid,
		PasskeyLimitReached,
		PasskeyNotFound,
		PasswordAlreadySet,
		PasswordResetTokenExpired,
		PasswordResetTokenInvalid,
		PostCommitSideEffectFailure,
		PrincipalNotFound,
		ProviderNotFound,
		RefreshTokenExpired,
		RefreshTokenInvalid,
		RefreshTokenMissing,
		RequestTooLarge,
		RoleRequired,
		RouteNotFound,
		SecretRotationOngoing,
		ServiceOverloaded,
		SessionExpired,
		StepUpTokenCreationForbidden,
		StepUpTokenExpired,
		StepUpTokenInvalid,
		StepUpTokenMissing,
		TOTPCodeValidationFailure,
		TOTPSetupTokenExpired,
		TOTPSetupTokenInvalid,
		TokenCreationFailure,
		TooManyAttempts,
		TwoFactorAuthenticationTokenExpired,
		TwoFactorAuthenticationTokenInvalid,
		TwoFactorAuthenticationTokenMissing,
		TwoFactorCodeExpired,
		TwoFactorDisabled,
		TwoFactorMethodAlreadyDisabled,
		TwoFactorMethodAlreadyEnabled,
		TwoFactorMethodDisabled,
		UnmetAuthenticationRequirements,
		UnsupportedMediaType,
		UserDisabled,
		UserNotFound,
		UserRateLimitExceeded,
		WrongTOTPRecoveryCode,
		WrongTwoFactorCode,
	}
}
