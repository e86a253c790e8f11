package profile

import (
	"strconv"
	"strings"
)

// Pprof returns p in pprof's format, without the gzip around it.
func (p *Profile) Pprof() []byte {
	e := &encoder{
		strings:   map[string]int64{},
		functions: map[function]int64{},
		locations: map[location]int64{},
		frames:    make([]int64, len(p.Frames)),
	}
	e.text("") // the first of the table by the format's rule
	for _, t := range valueTypes {
		e.out.bytes(profileSampleType, e.valueType(t.name, t.unit))
	}
	e.mapping(p.Command)
	for i := range p.Samples {
		e.samples(p, &p.Samples[i])
	}
	e.out.number(profileTime, p.Start)
	e.out.number(profileDuration, p.Duration)
	e.out.bytes(profilePeriodType, e.valueType(valueTypes[0].name, valueTypes[0].unit))
	e.out.number(profilePeriod, p.Rate)
	var comments []int64
	for _, comment := range p.comments() {
		comments = append(comments, e.text(comment))
	}
	e.out.numbers(profileComment, comments)
	e.out.number(profileDefaultType, e.text(defaultType))
	for _, s := range e.table {
		e.out.bytes(profileStrings, []byte(s))
	}
	return e.out
}

// encoder numbers what a profile shares as it comes: strings, functions and locations.
type encoder struct {
	out       message
	strings   map[string]int64
	table     []string
	functions map[function]int64
	locations map[location]int64
	frames    []int64 // the location of each frame, once it is written
	part      message // the sample that is being written; kept for its memory
}

type function struct {
	name, system, file string
	firstLine          int64
}

type location struct {
	function, line int64
}

func (e *encoder) text(s string) int64 {
	n, known := e.strings[s]
	if !known {
		n = int64(len(e.table))
		e.strings[s] = n
		e.table = append(e.table, s)
	}
	return n
}

func (e *encoder) valueType(name, unit string) message {
	var m message
	m.number(valueType, e.text(name))
	m.number(valueUnit, e.text(unit))
	return m
}

// mapping writes the one that all locations are in. It says that they are resolved, so that nobody tries.
func (e *encoder) mapping(command string) {
	var m message
	m.number(mappingID, 1)
	m.number(mappingFile, e.text(firstWord(command)))
	m.number(mappingHasFunctions, 1)
	m.number(mappingHasFilenames, 1)
	m.number(mappingHasLineNumber, 1)
	e.out.bytes(profileMapping, m)
}

func firstWord(command string) string {
	word, _, _ := strings.Cut(command, " ")
	if quoted, found := strings.CutPrefix(command, "'"); found {
		word, _, _ = strings.Cut(quoted, "'")
	}
	if word == "" {
		return mappingFallback
	}
	return word
}

// samples writes a sample for each length of the waits in s; a holder's is not split.
func (e *encoder) samples(p *Profile, s *Sample) {
	var common message
	common.numbers(sampleLocation, e.stack(p, s))
	e.labels(&common, &p.Locks[s.Lock], s)
	split := []length{{count: s.Count, ns: s.Ns}}
	if s.Role == Waiter {
		split = s.lengths()
	}
	for _, part := range split {
		m := append(e.part[:0], common...)
		var values [len(valueTypes)]int64
		values[column(s)] = p.scaled(s, part.count)
		values[column(s)+1] = p.scaled(s, part.ns)
		m.numbers(sampleValue, values[:])
		if s.Role == Waiter {
			e.waited(&m, part.at)
		}
		e.out.bytes(profileSample, m)
		e.part = m
	}
}

// labels writes those of s that its parts have in common, as fields of a sample.
func (e *encoder) labels(out *message, l *Lock, s *Sample) {
	for _, label := range [...]struct{ key, value string }{
		{labelLock, l.Name},
		{labelID, "0x" + strconv.FormatInt(l.ID, 16)},
		{labelKind, l.Kind},
		{labelSide, s.Side},
		{labelThread, s.Thread},
		{labelRole, s.Role},
	} {
		if label.value != "" {
			m := make(message, 0, 32)
			m.number(labelKey, e.text(label.key))
			m.number(labelStr, e.text(label.value))
			out.bytes(sampleLabel, m)
		}
	}
}

func (e *encoder) waited(out *message, ns int64) {
	m := make(message, 0, 32)
	m.number(labelKey, e.text(labelWaited))
	m.number(labelNum, ns)
	m.number(labelNumUnit, e.text("nanoseconds"))
	out.bytes(sampleLabel, m)
}

// stack returns the numbers of the locations of s, which it writes as they first come.
func (e *encoder) stack(p *Profile, s *Sample) []int64 {
	if len(s.Stack) == 0 {
		return []int64{e.location(function{name: noStack}, 0)}
	}
	stack := make([]int64, len(s.Stack))
	for i, index := range s.Stack {
		if e.frames[index] == 0 {
			f := &p.Frames[index]
			e.frames[index] = e.location(function{qualified(f), f.Function, f.File, f.FirstLine}, f.Line)
		}
		stack[i] = e.frames[index]
	}
	return stack
}

func (e *encoder) location(f function, line int64) int64 {
	number, known := e.functions[f]
	if !known {
		number = int64(len(e.functions) + 1)
		e.functions[f] = number
		e.function(number, f)
	}
	at := location{number, line}
	id, known := e.locations[at]
	if !known {
		id = int64(len(e.locations) + 1)
		e.locations[at] = id
		e.writeLocation(id, at)
	}
	return id
}

func (e *encoder) function(id int64, f function) {
	var m message
	m.number(functionID, id)
	m.number(functionName, e.text(f.name))
	m.number(functionSystem, e.text(f.system))
	m.number(functionFile, e.text(f.file))
	m.number(functionStart, f.firstLine)
	e.out.bytes(profileFunction, m)
}

func (e *encoder) writeLocation(id int64, at location) {
	var line, m message
	line.number(lineFunction, at.function)
	line.number(lineNumber, at.line)
	m.number(locationID, id)
	m.number(locationMapping, 1)
	m.bytes(locationLine, line)
	e.out.bytes(profileLocation, m)
}

// qualified returns the name of a function as pprof is to show it, with that of its module, since pprof adds up
// functions of one name. The name alone goes along as the system's: where the two differ, pprof takes neither for a
// mangled one of C++, as it would <module>.
func qualified(f *Frame) string {
	if module := module(f.File); module != "" {
		return module + "." + f.Function
	}
	return f.Function
}

func module(file string) string {
	if frozen, found := strings.CutPrefix(file, "<frozen "); found {
		return strings.TrimSuffix(frozen, ">")
	}
	parts := strings.Split(strings.TrimSuffix(file, ".py"), "/")
	last := len(parts) - 1
	if name := parts[last]; last > 0 && (name == "__init__" || name == "__main__") {
		return parts[last-1]
	}
	return parts[last]
}

func (p *Profile) comments() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	rates := ""
	for _, rate := range p.Rates {
		rates += " " + keyRate + "=" + number(rate)
	}
	if rates == "" {
		rates = " " + keyRate + "=" + number(p.Rate)
	}
	all := []string{
		machineComment + rates + " " + keyMinimum + "=" + number(p.Minimum) +
			" " + keyDropStacks + "=" + number(p.DroppedStacks) + " " + keyDropSamples + "=" + number(p.DroppedSamples),
		holdersComment,
	}
	if p.Command != "" {
		all = append(all, commandComment+p.Command)
	}
	if p.Rate > 1 {
		all = append(all, "one contention of "+number(p.Rate)+" was recorded; counts and times are multiplied by that")
	}
	if p.Minimum > 0 {
		all = append(all, "waits shorter than "+number(p.Minimum)+" ns were not recorded")
	}
	if p.DroppedStacks > 0 {
		all = append(all, "no room for the stacks of "+number(p.DroppedStacks)+" contentions: see "+noStack)
	}
	if p.DroppedSamples > 0 {
		all = append(all, "no room for "+number(p.DroppedSamples)+" contentions, which are in no count")
	}
	return all
}
