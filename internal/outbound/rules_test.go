package outbound

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/fault"
)

func allow(t testing.TB, entries ...string) []netip.Prefix {
	t.Helper()
	prefixes, err := ParseAllow(entries)
	if err != nil {
		t.Fatal(err)
	}
	return prefixes
}

// addresses has each form of address, with what is said of it to people of
// projects: "" where they may have it connected to.
var addresses = []struct{ address, want string }{
	{"1.1.1.1", ""},
	{"9.255.255.255", ""},
	{"11.0.0.0", ""},
	{"100.63.255.255", ""},
	{"100.128.0.0", ""},
	{"126.255.255.255", ""},
	{"128.0.0.0", ""},
	{"169.253.255.255", ""},
	{"169.255.0.0", ""},
	{"172.15.255.255", ""},
	{"172.32.0.0", ""},
	{"192.167.255.255", ""},
	{"192.169.0.0", ""},
	{"198.17.255.255", ""},
	{"198.20.0.0", ""},
	{"223.255.255.255", ""},
	{"2600::1", ""},
	{"2a00:1450::1", ""},
	{"2001:200::1", ""},

	{"0.0.0.0", "an unspecified address"},
	{"0.1.2.3", "an unspecified address"},
	{"10.0.0.0", "a private address"},
	{"10.255.255.255", "a private address"},
	{"100.64.0.0", "a private address"},
	{"100.127.255.255", "a private address"},
	{"100.100.100.200", "the address of a cloud's metadata"},
	{"127.0.0.1", "a loopback address"},
	{"127.255.255.255", "a loopback address"},
	{"168.63.129.16", "the address of a cloud's metadata"},
	{"169.254.0.0", "a link-local address"},
	{"169.254.169.254", "a link-local address"},
	{"172.16.0.0", "a private address"},
	{"172.31.255.255", "a private address"},
	{"192.0.0.8", "an address of a protocol"},
	{"192.0.0.192", "the address of a cloud's metadata"},
	{"192.0.2.1", "an address for documentation"},
	{"192.88.99.1", "a reserved address"},
	{"192.168.0.0", "a private address"},
	{"192.168.255.255", "a private address"},
	{"198.18.0.0", "an address for benchmarks"},
	{"198.19.255.255", "an address for benchmarks"},
	{"198.51.100.1", "an address for documentation"},
	{"203.0.113.1", "an address for documentation"},
	{"224.0.0.1", "a multicast address"},
	{"239.255.255.255", "a multicast address"},
	{"240.0.0.0", "a reserved address"},
	{"255.255.255.254", "a reserved address"},
	{"255.255.255.255", "the broadcast address"},

	{"::", "an unspecified address"},
	{"::1", "a loopback address"},
	{"::2", "carries 0.0.0.2, an unspecified address"},
	{"100::1", "a reserved address"},
	{"1fff::1", "a reserved address"},
	{"2001:1::1", "an address of a protocol"},
	{"2001:2::1", "an address of a protocol"},
	{"2001:20::1", "an address of a protocol"},
	{"2001:db8::1", "an address for documentation"},
	{"3fff::1", "an address for documentation"},
	{"4000::1", "a reserved address"},
	{"5f00::1", "a reserved address"},
	{"fc00::1", "a private address"},
	{"fdff::1", "a private address"},
	{"fd00:ec2::254", "the address of a cloud's metadata"},
	{"fd20:ce::254", "the address of a cloud's metadata"},
	{"fe80::1", "a link-local address"},
	{"febf::1", "a link-local address"},
	{"fec0::1", "a private address"},
	{"feff::1", "a private address"},
	{"ff02::1", "a multicast address"},

	{"fe80::1%eth0", "with a zone"},
	{"::1%lo", "with a zone"},
	{"2600::1%eth0", "with a zone"},
	{"::ffff:1.1.1.1%eth0", "with a zone"},

	{"::ffff:1.1.1.1", ""}, // mapped
	{"::ffff:127.0.0.1", "127.0.0.1 is a loopback address"},
	{"::ffff:169.254.169.254", "169.254.169.254 is a link-local address"},
	{"::ffff:10.0.0.1", "10.0.0.1 is a private address"},
	{"::ffff:0.0.0.0", "0.0.0.0 is an unspecified address"},
	{"64:ff9b::1.1.1.1", ""}, // NAT64
	{"64:ff9b::127.0.0.1", "64:ff9b::7f00:1 carries 127.0.0.1, a loopback address"},
	{"64:ff9b::169.254.169.254", "carries 169.254.169.254, a link-local address"},
	{"64:ff9b::10.0.0.1", "carries 10.0.0.1, a private address"},
	{"64:ff9b:0:0:0:1::", "a reserved address"},
	{"64:ff9b:1::1.1.1.1", "64:ff9b:1::101:101 is a reserved address"},
	{"64:ff9b:1::10.0.0.1", "carries 10.0.0.1, a private address"},
	{"2002:101:101::1", ""}, // 6to4
	{"2002:7f00:1::1", "carries 127.0.0.1, a loopback address"},
	{"2002:a9fe:a9fe::1", "carries 169.254.169.254, a link-local address"},
	{"2002:c0a8:1::", "carries 192.168.0.1, a private address"},
	{"2001:0:101:101:0:0:fefe:fefe", "an address of a protocol"}, // Teredo
	{"2001:0:7f00:1:0:0:fefe:fefe", "carries 127.0.0.1, a loopback address"},
	{"2001:0:101:101:0:0:80ff:fffe", "carries 127.0.0.1, a loopback address"}, // turned over
	{"::1.1.1.1", "a reserved address"},                                       // IPv4-compatible
	{"::127.0.0.1", "carries 127.0.0.1, a loopback address"},
	{"::ffff:0:1.1.1.1", "a reserved address"}, // IPv4-translated
	{"::ffff:0:127.0.0.1", "carries 127.0.0.1, a loopback address"},
}

// check returns what is said of an address, or "".
func check(t *testing.T, r Rules, address string) string {
	t.Helper()
	err := r.Check(netip.MustParseAddr(address))
	if err == nil {
		return ""
	}
	var f *fault.Fault
	if !errors.Is(err, ErrForbidden) || !errors.As(err, &f) || f.Kind != fault.Denied || f.Code != "FORBIDDEN" {
		t.Errorf("%s: %v", address, err)
	}
	return f.Message
}

func TestProjectsReachTheInternetAlone(t *testing.T) {
	for _, c := range addresses {
		for name, r := range map[string]Rules{"the rules of projects": ForProjects(nil), "the zero rules": {}} {
			if got := check(t, r, c.address); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%s by %s: %q, want %q", c.address, name, got, c.want)
			}
		}
	}
	if err := ForProjects(nil).Check(netip.Addr{}); !errors.Is(err, ErrForbidden) {
		t.Errorf("no address: %v", err)
	}
}

func TestOnlyWhatCanBeAllowedNamesTheSetting(t *testing.T) {
	for _, c := range addresses {
		got := check(t, ForProjects(nil), c.address)
		can := check(t, ForSystem(), c.address) == ""
		if named := strings.Contains(got, "outbound_allow"); got != "" && named != can {
			t.Errorf("%s: %q, and everything allowed it is %q", c.address, got, check(t, ForSystem(), c.address))
		}
	}
}

func TestSomeAddressesAreForbiddenWhateverIsAllowed(t *testing.T) {
	for name, r := range map[string]Rules{"system": ForSystem(), "everything": ForProjects(allow(t, "0.0.0.0/0", "::/0", Private))} {
		for _, c := range addresses {
			never := strings.Contains(c.want, "zone")
			for _, kind := range []string{"unspecified", "link-local", "multicast", "broadcast", "metadata"} {
				never = never || strings.Contains(c.want, kind)
			}
			if got := check(t, r, c.address); (got != "") != never {
				t.Errorf("%s by the rules of %s: %q", c.address, name, got)
			}
		}
		for address, want := range map[string]string{
			"64:ff9b:1::169.254.169.254":     "carries 169.254.169.254, a link-local address",
			"::169.254.169.254":              "carries 169.254.169.254, a link-local address",
			"::ffff:0:169.254.169.254":       "carries 169.254.169.254, a link-local address",
			"2001:0:a9fe:a9fe:0:0:fefe:fefe": "carries 169.254.169.254, a link-local address", // server
			"2001:0:101:101:0:0:5601:5601":   "carries 169.254.169.254, a link-local address", // client, turned over
			"2002:a9fe:a9fe::":               "carries 169.254.169.254, a link-local address",
		} {
			if got := check(t, r, address); !strings.Contains(got, want) {
				t.Errorf("%s by the rules of %s: %q, want %q", address, name, got, want)
			}
		}
	}
}

func TestWhatIsAllowedIsReached(t *testing.T) {
	for _, c := range []struct {
		allow    string
		yes, not []string
	}{
		{"10.1.0.0/16",
			[]string{"10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1", "1.1.1.1"},
			[]string{"10.0.255.255", "10.2.0.0", "::ffff:10.2.0.0", "64:ff9b::10.2.0.0", "127.0.0.1", "fd00::1", "::10.1.2.3"}},
		{"127.0.0.1", []string{"127.0.0.1", "::ffff:127.0.0.1"}, []string{"127.0.0.2", "::1", "10.0.0.1"}},
		{"::1", []string{"::1"}, []string{"127.0.0.1", "::2"}},
		{"fd12:3456::/32", []string{"fd12:3456::1"}, []string{"fd12:3457::1", "10.0.0.1"}},
		{Private,
			[]string{"10.0.0.1", "100.64.0.1", "172.16.0.1", "192.168.0.1", "fc00::1", "fd00::1", "fec0::1"},
			[]string{"127.0.0.1", "::1", "169.254.169.254", "fe80::1", "100.100.100.200", "fd00:ec2::254", "192.0.2.1", "198.18.0.1", "240.0.0.1", "224.0.0.1", "fd00::1%eth0"}},
		{"64:ff9b:1::/48", []string{"64:ff9b:1::1.1.1.1"}, []string{"64:ff9b:1::10.0.0.1", "64:ff9b:1::169.254.169.254"}},
		{"168.63.0.0/16", []string{"168.63.1.1"}, []string{"168.63.129.16"}},
	} {
		r := ForProjects(allow(t, c.allow))
		for _, a := range c.yes {
			if got := check(t, r, a); got != "" {
				t.Errorf("%s allowed: %s is forbidden: %s", c.allow, a, got)
			}
		}
		for _, a := range c.not {
			if check(t, r, a) == "" {
				t.Errorf("%s allowed: %s is reached", c.allow, a)
			}
		}
	}
}

func TestEntriesThatAllowNothingAreRefused(t *testing.T) {
	for entry, want := range map[string]string{
		"intranet":             "neither a network",
		"":                     "neither a network",
		"10":                   "neither a network",
		"10.0.0.0/33":          "neither a network",
		"10.0.0/8":             "neither a network",
		"010.0.0.1":            "neither a network",
		"PRIVATE":              "neither a network",
		"example.org":          "neither a network",
		"10.0.0.1:80":          "neither a network",
		"::ffff:10.0.0.1":      "neither a network",
		"::ffff:10.0.0.0/104":  "neither a network",
		"fd00::1%eth0":         "neither a network",
		"10.0.0.1/8":           `"10.0.0.1/8" is an address within the network 10.0.0.0/8`,
		"fd00::1/8":            "an address within the network fd00::/8",
		"169.254.0.0/16":       "cannot be allowed: it is a link-local address",
		"169.254.169.254":      "cannot be allowed: it is a link-local address",
		"0.0.0.0":              "cannot be allowed: it is an unspecified address",
		"0.0.0.0/8":            "cannot be allowed: it is an unspecified address",
		"224.0.0.0/8":          "cannot be allowed: it is a multicast address",
		"::":                   "cannot be allowed: it is an unspecified address",
		"fe80::/64":            "cannot be allowed: it is a link-local address",
		"ff02::1":              "cannot be allowed: it is a multicast address",
		"100.100.100.200":      "cannot be allowed: it is the address of a cloud's metadata",
		"fd00:ec2::254/128":    "cannot be allowed: it is the address of a cloud's metadata",
		"255.255.255.255":      "cannot be allowed: it is the broadcast address",
		"169.254.128.0/17":     "cannot be allowed: it is a link-local address",
		"http://10.0.0.0/8":    "neither a network",
		"10.0.0.0/8,127.0.0.1": "neither a network",
	} {
		if _, err := ParseAllow([]string{Private, entry}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", entry, err, want)
		}
	}
	if got := allow(t); len(got) != 0 {
		t.Errorf("nothing became %v", got)
	}
}
