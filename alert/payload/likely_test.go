package payload

import (
	"slices"
	"testing"
)

// Whatever the bytes are, there is a cause of the closed set, and no panic.
func FuzzLikelyCause(f *testing.F) {
	for _, s := range signatures() {
		f.Add([]byte(s.begins), 0)
	}
	f.Add([]byte("+\xf4\xff"), 1)
	f.Add([]byte("\xff\xff\xff\xff\xff\x01\xf0\x01"), 2)
	f.Fuzz(func(t *testing.T, data []byte, defect int) {
		all := Defects()
		if l := LikelyCause(data, all[uint(defect)%uint(len(all))], true); !slices.Contains(Likelies(), l) {
			t.Fatalf("%q is no known cause", l)
		}
	})
}
