package load

import (
	"os"
	"testing"
)

func TestSpentBy(t *testing.T) {
	before, err := spentBy(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.cpu <= 0 {
		t.Errorf("this process has used %v", before.cpu)
	}
	after := before
	for range 10 { // at least
		if after, err = spentBy(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	for after.cpu < 10*tick {
		if after, err = spentBy(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if after.cpu <= before.cpu || after.user < before.user || after.system < before.system {
		t.Errorf("%+v is before %+v", before, after)
	}
	if sum := after.user + after.system; sum > after.cpu+2*tick || sum < after.cpu-4*tick {
		t.Errorf("user and system time are %v of %v", sum, after.cpu)
	}
	if rss, err := resident(os.Getpid()); err != nil || rss < 1<<20 || rss > 1<<33 {
		t.Errorf("this process has %d bytes: %v", rss, err)
	}
	if _, err := spentBy(1 << 22); err == nil {
		t.Error("a process that cannot be has used time")
	}
}
