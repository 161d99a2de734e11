package portable

// Cheap makes passphrases cost next to nothing until the test ends.
func Cheap(t interface{ Cleanup(func()) }) {
	before := workFactor
	workFactor = 4
	t.Cleanup(func() { workFactor = before })
}
