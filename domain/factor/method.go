package factor

import "slices"

// ParseMethod reads the name of a method, as it is spelled in the contract.
func ParseMethod(name string) (Method, bool) {
	return Method(name), slices.Contains(order, Method(name))
}
