package profile

import "strings"

// Speedscope returns p as JSON for speedscope.app: a profile for each of the three times of pprof's sample types. The
// format has no labels, so the lock stands as the innermost frame of each stack.
func (p *Profile) Speedscope() string {
	w := &printer{}
	w.open('{')
	w.str("$schema", "https://www.speedscope.app/file-format-schema.json")
	w.str("exporter", "ft_utils.contention")
	name := firstWord(p.Command)
	name = name[strings.LastIndexByte(name, '/')+1:]
	w.str("name", name)
	locks := p.lockFrames()
	w.name("shared").open('{').name("frames").open('[')
	for i := range p.Frames {
		f := &p.Frames[i]
		w.open('{')
		w.str("name", qualified(f))
		w.str("file", f.File)
		if f.Line > 0 {
			w.number("line", f.Line)
		}
		w.shut('}')
	}
	for _, title := range locks.titles {
		w.open('{')
		w.str("name", title)
		w.shut('}')
	}
	w.shut(']').shut('}').name("profiles").open('[')
	for i, title := range [...]string{"waiting for locks", "other waits", "held while others waited"} {
		p.speedscope(w, name+": "+title, 2*i, &locks)
	}
	w.shut(']').shut('}')
	return string(w.b)
}

// lockFrames are the frames that stand for locks, behind those of the profile.
type lockFrames struct {
	titles []string
	of     []int // of each sample
}

func (p *Profile) lockFrames() lockFrames {
	all := lockFrames{of: make([]int, len(p.Samples))}
	known := map[string]int{}
	for i := range p.Samples {
		s := &p.Samples[i]
		l := &p.Locks[s.Lock]
		title := "[" + l.Kind + " " + l.Name
		if s.Side == "read" || s.Side == "write" {
			title += ", " + s.Side
		}
		all.of[i] = len(p.Frames) + number(known, title+"]", &all.titles)
	}
	return all
}

// speedscope writes the samples of one column.
func (p *Profile) speedscope(w *printer, title string, col int, locks *lockFrames) {
	var end int64
	w.open('{')
	w.str("type", "sampled")
	w.str("name", title)
	w.str("unit", "nanoseconds")
	w.name("samples").open('[')
	for i := range p.Samples {
		if s := &p.Samples[i]; column(s) == col {
			w.open('[')
			for at := len(s.Stack) - 1; at >= 0; at-- {
				w.item(int64(s.Stack[at]))
			}
			w.item(int64(locks.of[i]))
			w.shut(']')
		}
	}
	w.shut(']').name("weights").open('[')
	for i := range p.Samples {
		if s := &p.Samples[i]; column(s) == col {
			w.item(p.scaled(s, s.Ns))
			end = add(end, p.scaled(s, s.Ns))
		}
	}
	w.shut(']')
	w.number("startValue", 0)
	w.number("endValue", end)
	w.shut('}')
}
