package profile

// rawProfile is a message of pprof's format as it stands in the file: strings by number, parts by id.
type rawProfile struct {
	types           []rawType
	samples         []rawSample
	locations       map[uint64][]rawLine
	functions       map[uint64]rawFunction
	strings         []string
	comments        []int64
	start, duration int64
	period          int64
}

type rawType struct{ name, unit int64 }

type rawSample struct {
	locations, values []int64
	labels            []rawLabel
}

type rawLabel struct{ key, str, num int64 }

type rawLine struct {
	function uint64
	line     int64
}

type rawFunction struct{ name, system, file, start int64 }

func (p *rawProfile) field(f field) (ok bool) {
	switch f.number {
	case profileSampleType:
		var t rawType
		ok = fields(f.b, t.field)
		p.types = append(p.types, t)
	case profileSample:
		var s rawSample
		ok = fields(f.b, s.field)
		p.samples = append(p.samples, s)
	case profileLocation:
		ok = p.location(f.b)
	case profileFunction:
		ok = p.function(f.b)
	case profileStrings:
		p.strings, ok = append(p.strings, string(f.b)), true
	case profileComment:
		p.comments, ok = f.list(p.comments)
	case profileTime:
		p.start, ok = int64(f.n), true
	case profileDuration:
		p.duration, ok = int64(f.n), true
	case profilePeriod:
		p.period, ok = int64(f.n), true
	default:
		ok = true
	}
	return ok
}

func (t *rawType) field(f field) bool {
	switch f.number {
	case valueType:
		t.name = int64(f.n)
	case valueUnit:
		t.unit = int64(f.n)
	}
	return true
}

func (s *rawSample) field(f field) (ok bool) {
	switch f.number {
	case sampleLocation:
		s.locations, ok = f.list(s.locations)
	case sampleValue:
		s.values, ok = f.list(s.values)
	case sampleLabel:
		if s.labels == nil {
			s.labels = make([]rawLabel, 0, 7) // as many as the encoder writes
		}
		var l rawLabel
		ok = fields(f.b, l.field)
		s.labels = append(s.labels, l)
	default:
		ok = true
	}
	return ok
}

func (l *rawLabel) field(f field) bool {
	switch f.number {
	case labelKey:
		l.key = int64(f.n)
	case labelStr:
		l.str = int64(f.n)
	case labelNum:
		l.num = int64(f.n)
	}
	return true
}

func (p *rawProfile) location(b []byte) bool {
	var id uint64
	var lines []rawLine
	ok := fields(b, func(f field) bool {
		switch f.number {
		case locationID:
			id = f.n
		case locationLine:
			var l rawLine
			lines = append(lines, l)
			return fields(f.b, lines[len(lines)-1].field)
		}
		return true
	})
	p.locations[id] = lines
	return ok
}

func (l *rawLine) field(f field) bool {
	switch f.number {
	case lineFunction:
		l.function = f.n
	case lineNumber:
		l.line = int64(f.n)
	}
	return true
}

func (p *rawProfile) function(b []byte) bool {
	var id uint64
	var fn rawFunction
	ok := fields(b, func(f field) bool {
		switch f.number {
		case functionID:
			id = f.n
		case functionName:
			fn.name = int64(f.n)
		case functionSystem:
			fn.system = int64(f.n)
		case functionFile:
			fn.file = int64(f.n)
		case functionStart:
			fn.start = int64(f.n)
		}
		return true
	})
	p.functions[id] = fn
	return ok
}
