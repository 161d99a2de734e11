package inbound

import (
	"gatehouse/domain/audit"
	"gatehouse/domain/group"
	"gatehouse/domain/page"
	"gatehouse/domain/principal"
)

// Everything in this file is refused with ROLE_REQUIRED unless an admin asks.
// Groups are delivered in the language of [Context.Locale] (contract §4).

// CreateGroup asks for a new group (contract R1). Texts are by language tags as
// they were typed. It is refused with INVALID_REQUEST on key or below
// translations, INVALID_GROUP_TRANSLATION if there is no text in the language of
// the service, or GROUP_KEY_EXISTS.
type CreateGroup struct {
	Context
	Key   string
	Texts group.Texts
}

// Aim says which group it is, for the record.
func (c CreateGroup) Aim() audit.Target { return audit.Target{Thing: c.Key} }

// ListGroups asks for a page of the groups (contract R2).
type ListGroups struct {
	Context
	Page page.Request // by key, name or description
}

// GroupPage is the answer to [ListGroups].
type GroupPage struct{ page.Page[group.Delivered] }

// ShowGroup asks for one group (contract R3). It is refused with
// DATABASE_ENTITY_NOT_FOUND.
type ShowGroup struct {
	Context
	Key string
}

// UpdateGroup asks that a group loses texts, and then gets others (contract
// R4). It is refused with INVALID_REQUEST below translations or
// translationsToDelete, DATABASE_ENTITY_NOT_FOUND, or INVALID_GROUP_TRANSLATION
// if no text in the language of the service is left.
type UpdateGroup struct {
	Context
	Key     string
	Without []string // language tags, as typed
	Texts   group.Texts
}

// Aim says which group it is, for the record.
func (c UpdateGroup) Aim() audit.Target { return audit.Target{Thing: c.Key} }

// DeleteGroup asks that a group is there no longer, and nobody in it (contract
// R5). The access tokens of who was in it go stale. It is refused with
// DATABASE_ENTITY_NOT_FOUND, MEMBER_UPDATE_FAILURE or
// POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type DeleteGroup struct {
	Context
	Key string
}

// Aim says which group it is, for the record.
func (c DeleteGroup) Aim() audit.Target { return audit.Target{Thing: c.Key} }

// AddMember asks that a user is in a group (contract R6). If they were not,
// their access tokens go stale. It is refused with GROUP_NOT_FOUND,
// USER_NOT_FOUND or POST_COMMIT_SIDE_EFFECT_FAILURE (the change stands).
type AddMember struct {
	Context
	Group string
	User  principal.ID
}

// Aim says who and which group it is, for the record.
func (c AddMember) Aim() audit.Target { return audit.Target{Principal: c.User, Thing: c.Group} }

// RemoveMember asks that a user is not in a group (contract R7), with the effect
// and the refusals of [AddMember].
type RemoveMember struct {
	Context
	Group string
	User  principal.ID
}

// Aim says who and which group it is, for the record.
func (c RemoveMember) Aim() audit.Target { return audit.Target{Principal: c.User, Thing: c.Group} }

// Member is an answer that shows a user to an admin.
type Member = *principal.Principal
