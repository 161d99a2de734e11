package vault_test

// Written by the first version of the formats, with the keys of the test.
const (
	goldenKEK   = "0191f0c4-7c00-7000-8000-000000000001"
	goldenPlain = "ada@example.com"

	goldenDataKey   = "0193a0bf037ffcf0a043709eaa80dccd670088cafd3e400e8552886611e29083a11b1e0b40751b4e0a462186d319feb5b5638b17fab682903e20d934f06b3d2c626c2d353312ecc0ede59d8cd9"
	goldenOwned     = "01a105bb1754f2cddffdf8d135b15b9ffb6b5e0d50fc2f1e29588db7a837b55a4cc1e320541359e66a291dd31f43a213b573fc22ccc966cdc4a31b47"
	goldenShared    = "014170c99937b11c2f4a19892ef8157da8594cc3b3f52fc2cea8192a9cd1ac596c61d1863564fae11a86771b1dc8fdf80111ef891805012e6c2b8dc6"
	goldenSharedKey = "0293a0bf037ffcf0a043709eaa80dccd67"
	goldenIndex     = "80797da6e52d77609011ed6970c61237570d854de15ad45c4ecb38ce2e3d3563"
)
