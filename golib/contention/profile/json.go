package profile

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// FromJSON reads the JSON of a profile.
func FromJSON(text string) (*Profile, error) {
	s := &scanner{text: text}
	p := &Profile{Rate: 1}
	var have names
	s.object(func(name string) {
		have.add(name)
		p.member(s, name)
	})
	s.end()
	have.need(s, "start_unix_ns", "duration_ns", "frames", "locks", "samples")
	if s.wrong != "" {
		return nil, Error("the JSON of the profile cannot be read: " + s.wrong)
	}
	return p, p.check()
}

// names of an object, to tell which are missing.
type names []string

func (n *names) add(name string) { *n = append(*n, name) }

func (n names) need(s *scanner, wanted ...string) {
next:
	for _, want := range wanted {
		for _, name := range n {
			if name == want {
				continue next
			}
		}
		s.fail("there is no " + strconv.Quote(want) + " in the object that ends")
	}
}

func (p *Profile) member(s *scanner, name string) {
	switch name {
	case "start_unix_ns":
		p.Start = s.number()
	case "duration_ns":
		p.Duration = s.number()
	case "command":
		p.Command = s.str()
	case "rate":
		p.Rate = s.number()
	case "rates":
		s.array(func() { p.Rates = append(p.Rates, s.number()) })
	case "minimum_ns":
		p.Minimum = s.number()
	case "dropped":
		s.object(func(name string) { p.dropped(s, name) })
	case "frames":
		s.array(func() { p.Frames = append(p.Frames, frame(s)) })
	case "locks":
		s.array(func() { p.Locks = append(p.Locks, lock(s)) })
	case "samples":
		s.array(func() { p.Samples = append(p.Samples, sample(s)) })
	default:
		s.skip()
	}
}

func (p *Profile) dropped(s *scanner, name string) {
	switch name {
	case "stacks":
		p.DroppedStacks = s.number()
	case "samples":
		p.DroppedSamples = s.number()
	default:
		s.skip()
	}
}

func frame(s *scanner) (f Frame) {
	var have names
	s.object(func(name string) {
		have.add(name)
		switch name {
		case "function":
			f.Function = s.str()
		case "file":
			f.File = s.str()
		case "line":
			f.Line = s.number()
		case "first_line":
			f.FirstLine = s.number()
		default:
			s.skip()
		}
	})
	have.need(s, "function", "file", "line")
	return f
}

func lock(s *scanner) (l Lock) {
	var have names
	s.object(func(name string) {
		have.add(name)
		switch name {
		case "id":
			l.ID = s.number()
		case "kind":
			l.Kind = s.str()
		case "name":
			l.Name = s.str()
		default:
			s.skip()
		}
	})
	have.need(s, "id", "kind", "name")
	return l
}

func sample(s *scanner) (m Sample) {
	var have names
	s.object(func(name string) {
		have.add(name)
		switch name {
		case "role":
			m.Role = s.str()
		case "side":
			m.Side = s.str()
		case "thread":
			m.Thread = s.str()
		case "lock":
			m.Lock = s.index()
		case "count":
			m.Count = s.number()
		case "ns":
			m.Ns = s.number()
		case "max_ns":
			m.Max = s.number()
		case "histogram":
			s.array(func() { m.Histogram = append(m.Histogram, s.number()) })
		case "stack":
			s.array(func() { m.Stack = append(m.Stack, s.index()) })
		default:
			s.skip()
		}
	})
	have.need(s, "role", "side", "lock", "count", "ns", "stack")
	return m
}

// JSON returns the JSON of p.
func (p *Profile) JSON() string {
	w := &printer{}
	w.open('{')
	w.number("start_unix_ns", p.Start)
	w.number("duration_ns", p.Duration)
	w.str("command", p.Command)
	w.number("rate", p.Rate)
	if len(p.Rates) > 0 {
		w.name("rates").open('[')
		for _, rate := range p.Rates {
			w.item(rate)
		}
		w.shut(']')
	}
	w.number("minimum_ns", p.Minimum)
	w.name("dropped").open('{')
	w.number("stacks", p.DroppedStacks)
	w.number("samples", p.DroppedSamples)
	w.shut('}')
	w.name("frames").open('[')
	for i := range p.Frames {
		p.Frames[i].print(w)
	}
	w.shut(']').name("locks").open('[')
	for i := range p.Locks {
		p.Locks[i].print(w)
	}
	w.shut(']').name("samples").open('[')
	for i := range p.Samples {
		p.Samples[i].print(w)
	}
	w.shut(']').shut('}')
	return string(w.b)
}

func (f *Frame) print(w *printer) {
	w.open('{')
	w.str("function", f.Function)
	w.str("file", f.File)
	w.number("line", f.Line)
	w.number("first_line", f.FirstLine)
	w.shut('}')
}

func (l *Lock) print(w *printer) {
	w.open('{')
	w.number("id", l.ID)
	w.str("kind", l.Kind)
	w.str("name", l.Name)
	w.shut('}')
}

func (s *Sample) print(w *printer) {
	w.open('{')
	w.str("role", s.Role)
	w.number("lock", int64(s.Lock))
	w.str("side", s.Side)
	w.str("thread", s.Thread)
	w.number("count", s.Count)
	w.number("ns", s.Ns)
	w.number("max_ns", s.Max)
	w.name("histogram").open('[')
	for _, n := range s.Histogram {
		w.item(n)
	}
	w.shut(']').name("stack").open('[')
	for _, frame := range s.Stack {
		w.item(int64(frame))
	}
	w.shut(']').shut('}')
}

// printer writes JSON, and puts the commas where they belong.
type printer struct {
	b    []byte
	more bool // whether a comma comes before the next value
}

func (w *printer) comma() {
	if w.more {
		w.b = append(w.b, ',')
	}
	w.more = true
}

func (w *printer) open(bracket byte) *printer {
	w.comma()
	w.b, w.more = append(w.b, bracket), false
	return w
}

func (w *printer) shut(bracket byte) *printer {
	w.b, w.more = append(w.b, bracket), true
	return w
}

func (w *printer) name(name string) *printer {
	w.text(name)
	w.b, w.more = append(w.b, ':'), false
	return w
}

func (w *printer) number(name string, n int64) {
	w.name(name).item(n)
}

func (w *printer) str(name, s string) {
	w.name(name).text(s)
}

func (w *printer) item(n int64) {
	w.comma()
	w.b = strconv.AppendInt(w.b, n, 10)
}

// text writes a string in ASCII, so that no reader can take it amiss.
func (w *printer) text(s string) {
	const digits = "0123456789abcdef"
	w.comma()
	w.b = append(w.b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			w.b = append(w.b, '\\', byte(r))
		case r >= ' ' && r < utf8.RuneSelf:
			w.b = append(w.b, byte(r))
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				w.b = append(w.b, '\\', 'u', digits[unit>>12], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
			}
		}
	}
	w.b = append(w.b, '"')
}
