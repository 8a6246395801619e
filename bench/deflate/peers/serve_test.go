package peers

import "testing"

func TestUsage(t *testing.T) {
	u, err := usage()
	if err != nil {
		t.Fatal(err)
	}
	const least, most = 1 << 20, 1 << 33
	if u.RSS < least || u.RSS > most || u.Heap < least/16 || u.Heap > u.RSS*4 {
		t.Errorf("this process has %d bytes, %d of them heap", u.RSS, u.Heap)
	}
	later, err := usage()
	if err != nil || later.CPU < u.CPU {
		t.Errorf("CPU time was %v and is %v: %v", u.CPU, later.CPU, err)
	}
	if u.CPU <= 0 {
		t.Errorf("no time has passed: %v", u.CPU)
	}
}

func TestFind(t *testing.T) {
	for _, s := range All() {
		if got, err := Find(s.Name); err != nil || got.Name != s.Name {
			t.Errorf("%s is %s, %v", s.Name, got.Name, err)
		}
	}
	if _, err := Find("gorilla/takeover"); err == nil {
		t.Error("a server that does not exist was found")
	}
}
