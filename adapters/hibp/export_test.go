package hibp

// Has is how an answer is read.
var Has = has
