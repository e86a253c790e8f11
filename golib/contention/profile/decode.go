package profile

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Why FromPprof refuses a file.
const (
	errDamaged = Error("it is no profile in pprof's format, or a damaged one")
	errForeign = Error("it is a pprof profile, but none of ft_utils.contention")
)

// FromPprof reads what Pprof has written, perhaps merged since by pprof from several.
func FromPprof(b []byte) (*Profile, error) {
	raw := &rawProfile{functions: map[uint64]rawFunction{}, locations: map[uint64][]rawLine{}}
	if !fields(b, raw.field) || len(raw.strings) == 0 {
		return nil, errDamaged
	}
	d := &decoder{
		raw:     raw,
		out:     &Profile{Start: raw.start, Duration: raw.duration, Rate: max(raw.period, 1)},
		frames:  map[Frame]int{},
		locks:   map[Lock]int{},
		samples: map[string]int{},
	}
	if err := d.checkTypes(); err != nil {
		return nil, err
	}
	d.comments()
	for i := range raw.samples {
		if err := d.sample(&raw.samples[i]); err != nil {
			return nil, err
		}
	}
	return d.out, nil
}

// decoder puts together again what the encoder has split.
type decoder struct {
	raw     *rawProfile
	out     *Profile
	frames  map[Frame]int
	locks   map[Lock]int
	samples map[string]int
	last    []int // the stack of the sample before; kept for its memory
}

// text returns a string of the table; "" where there is none of that number.
func (d *decoder) text(n int64) string {
	if n < 0 || n >= int64(len(d.raw.strings)) {
		return ""
	}
	return strings.ToValidUTF8(d.raw.strings[n], string(utf8.RuneError))
}

func (d *decoder) checkTypes() error {
	if len(d.raw.types) != len(valueTypes) {
		return errForeign
	}
	for i, t := range valueTypes {
		if got := d.raw.types[i]; d.text(got.name) != t.name || d.text(got.unit) != t.unit {
			return errForeign
		}
	}
	return nil
}

// comments reads those for this package. A merged profile has them of each of its parts.
func (d *decoder) comments() {
	var rates []int64
	for _, n := range d.raw.comments {
		comment := d.text(n)
		if command, found := strings.CutPrefix(comment, commandComment); found {
			d.out.Command = command
		}
		settings, found := strings.CutPrefix(comment, machineComment)
		if !found {
			continue
		}
		for setting := range strings.FieldsSeq(settings) {
			key, value, _ := strings.Cut(setting, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				continue
			}
			switch key {
			case keyRate:
				rates = append(rates, max(n, 1))
			case keyMinimum:
				d.out.Minimum = max(d.out.Minimum, n)
			case keyDropStacks:
				d.out.DroppedStacks = add(d.out.DroppedStacks, n)
			case keyDropSamples:
				d.out.DroppedSamples = add(d.out.DroppedSamples, n)
			}
		}
	}
	d.merge(rates)
}

// merge takes the numbers for what happened if the rates of the parts differ: what was recorded of each cannot be told
// any more, and pprof keeps one period, the largest.
func (d *decoder) merge(rates []int64) {
	slices.Sort(rates)
	if rates = slices.Compact(rates); len(rates) > 1 {
		d.out.Rate, d.out.Rates = 1, rates
	}
}

// add returns a sum of what is not negative, or the largest number.
func add(a, b int64) int64 {
	if a > 1<<63-1-b {
		return 1<<63 - 1
	}
	return a + b
}

func (d *decoder) sample(raw *rawSample) error {
	if len(raw.values) != len(valueTypes) {
		return errDamaged
	}
	s, waited := d.labelled(raw)
	if s.Role != Waiter && s.Role != Holder || s.Side == "" {
		return errForeign
	}
	count, ns := raw.values[column(&s)], raw.values[column(&s)+1]
	if count < 0 || ns < 0 || waited < 0 {
		return Error("it has negative values, as the difference of two profiles has")
	}
	if s.Role == Waiter {
		count, ns = d.recorded(count), d.recorded(ns)
	}
	into := d.merged(&s, d.stack(raw))
	into.Count, into.Ns = add(into.Count, count), add(into.Ns, ns)
	if s.Role == Waiter {
		into.Max = max(into.Max, waited)
		entry := bucket(waited)
		for len(into.Histogram) <= entry {
			into.Histogram = append(into.Histogram, 0)
		}
		into.Histogram[entry] = add(into.Histogram[entry], count)
	}
	return nil
}

// recorded undoes what scaled has done.
func (d *decoder) recorded(n int64) int64 {
	half := d.out.Rate / 2
	if n > 1<<63-1-half {
		half = 0
	}
	return (n + half) / d.out.Rate
}

// labelled returns a sample with what its labels tell, and the length of its waits.
func (d *decoder) labelled(raw *rawSample) (s Sample, waited int64) {
	var l Lock
	for _, label := range raw.labels {
		value := d.text(label.str)
		switch d.text(label.key) {
		case labelLock:
			l.Name = value
		case labelID:
			l.ID, _ = strconv.ParseInt(value, 0, 64)
		case labelKind:
			l.Kind = value
		case labelSide:
			s.Side = value
		case labelThread:
			s.Thread = value
		case labelRole:
			s.Role = value
		case labelWaited:
			waited = label.num
		}
	}
	l.ID = max(l.ID, 0)
	s.Lock = number(d.locks, l, &d.out.Locks)
	return s, waited
}

// number returns the index of what in list, to which it is added when it first comes.
func number[T comparable](known map[T]int, what T, list *[]T) int {
	index, found := known[what]
	if !found {
		index = len(*list)
		known[what] = index
		*list = append(*list, what)
	}
	return index
}

// stack returns that of a sample, in memory that the next one gets too.
func (d *decoder) stack(raw *rawSample) []int {
	stack := d.last[:0]
	for _, id := range raw.locations {
		for _, line := range d.raw.locations[uint64(id)] {
			f := d.raw.functions[line.function]
			name := d.text(f.system)
			if name == "" {
				name = d.text(f.name)
			}
			frame := Frame{name, d.text(f.file), max(line.line, 0), max(f.start, 0)}
			if frame == (Frame{Function: noStack}) {
				continue
			}
			stack = append(stack, number(d.frames, frame, &d.out.Frames))
		}
	}
	d.last = stack
	return stack
}

// merged returns the sample of the profile that s, at that stack, is a part of.
func (d *decoder) merged(s *Sample, stack []int) *Sample {
	key := strconv.AppendInt(make([]byte, 0, 256), int64(s.Lock), 36)
	for _, n := range stack {
		key = strconv.AppendInt(append(key, ' '), int64(n), 36)
	}
	for _, part := range []string{s.Role, s.Side, s.Thread} {
		key = append(append(key, '\n'), part...)
	}
	index, found := d.samples[string(key)]
	if !found {
		index = len(d.out.Samples)
		d.samples[string(key)] = index
		s.Stack = append([]int(nil), stack...)
		d.out.Samples = append(d.out.Samples, *s)
	}
	return &d.out.Samples[index]
}
