package fault

// Rule is the id of a rule that a part of a request can break (contract §2).
// Rule ids are API, as codes are.
type Rule string

// The rules. Rules() must list every one of them; a test compares the two.
const (
	RuleJSON              Rule = "json"
	RuleRequired          Rule = "required"
	RuleType              Rule = "type"
	RuleNotBlank          Rule = "not_blank"
	RuleMinLength         Rule = "min_length"
	RuleMaxLength         Rule = "max_length"
	RulePattern           Rule = "pattern"
	RuleEnum              Rule = "enum"
	RuleEmail             Rule = "email"
	RuleUUID              Rule = "uuid"
	RuleLocale            Rule = "locale"
	RuleInstant           Rule = "instant"
	RuleBoolean           Rule = "boolean"
	RuleInteger           Rule = "integer"
	RuleRange             Rule = "range"
	RuleControlCharacters Rule = "control_characters"
	RuleUpper             Rule = "upper"
	RuleLower             Rule = "lower"
	RuleDigit             Rule = "digit"
	RuleSpecial           Rule = "special"
	RuleCommon            Rule = "common"
	RuleBreached          Rule = "breached"
	RuleContainsIdentity  Rule = "contains_identity"
	RuleUnchanged         Rule = "unchanged"
	RuleImage             Rule = "image"
	RuleRedirectURI       Rule = "redirect_uri"
	RuleExclusive         Rule = "exclusive"
)

// Rules lists every rule, for adapters that must cover them all.
func Rules() []Rule {
	return []Rule{
		RuleJSON, RuleRequired, RuleType, RuleNotBlank, RuleMinLength, RuleMaxLength, RulePattern, RuleEnum,
		RuleEmail, RuleUUID, RuleLocale, RuleInstant, RuleBoolean, RuleInteger, RuleRange,
		RuleControlCharacters, RuleUpper, RuleLower, RuleDigit, RuleSpecial, RuleCommon,
		RuleBreached, RuleContainsIdentity, RuleUnchanged, RuleImage, RuleRedirectURI, RuleExclusive,
	}
}
