// Package outbox delivers the notices that use cases leave behind (faults §8).
//
// It owns when a notice is delivered, tried again or given up. It does not own
// how notices are kept, nor how a mail is made and sent: those are ports. Old
// rows are removed by whoever removes everything else that is old.
package outbox
