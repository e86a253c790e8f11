package profile

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON from the front. The first thing that is wrong stays its error, and it reads no further.
type scanner struct {
	text  string
	at    int
	depth int
	wrong string
}

// deepest is how far values may be nested, so that no input exhausts the stack.
const deepest = 64

func (s *scanner) fail(what string) {
	if s.wrong == "" {
		s.wrong = what + " at byte " + strconv.Itoa(s.at)
		s.at = len(s.text)
	}
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next says whether c comes next, and passes it if so.
func (s *scanner) next(c byte) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) expect(c byte, what string) {
	if !s.next(c) {
		s.fail(what + " is missing")
	}
}

// each reads what stands between two brackets, one by one.
func (s *scanner) each(open, shut byte, what string, one func()) {
	s.expect(open, what)
	if s.depth++; s.depth > deepest {
		s.fail("the nesting is too deep")
	}
	for first := true; s.wrong == "" && !s.next(shut); first = false {
		if !first {
			s.expect(',', "a comma")
		}
		if s.wrong == "" {
			one()
		}
	}
	s.depth--
}

func (s *scanner) array(one func()) {
	s.each('[', ']', "an array", one)
}

// object calls value for each name; value reads what stands behind it.
func (s *scanner) object(value func(name string)) {
	s.each('{', '}', "an object", func() {
		name := s.str()
		s.expect(':', "a colon")
		if s.wrong == "" {
			value(name)
		}
	})
}

// number reads an integer that is not negative.
func (s *scanner) number() int64 {
	s.space()
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	end := s.at
	n, err := strconv.ParseInt(s.text[start:end], 10, 64)
	if err != nil || end-start > 1 && s.text[start] == '0' {
		s.at = start
		s.fail("an integer from 0 to 2^63-1 is missing")
	} else if end < len(s.text) && (s.text[end] == '.' || s.text[end] == 'e' || s.text[end] == 'E') {
		s.fail("a number that is no integer")
	}
	return n
}

func (s *scanner) index() int {
	return int(s.number())
}

func (s *scanner) str() string {
	if s.expect('"', "a string"); s.wrong != "" {
		return ""
	}
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= ' ' && s.text[s.at] != '"' && s.text[s.at] != '\\' {
		s.at++
	}
	text := s.text[start:s.at]
	if !utf8.ValidString(text) || s.at < len(s.text) && s.text[s.at] == '\\' {
		s.at = start
		text = s.escaped()
	}
	if s.at >= len(s.text) || s.text[s.at] != '"' {
		s.fail("a string does not end")
		return ""
	}
	s.at++
	return text
}

// escaped reads a string with escapes, up to its closing quote. What is no UTF-8, and halves of surrogate pairs, as in
// the names of files that Python could not decode, become U+FFFD.
func (s *scanner) escaped() string {
	var b []byte
	for s.at < len(s.text) && s.text[s.at] >= ' ' && s.text[s.at] != '"' {
		if s.text[s.at] == '\\' {
			s.at++
			b = utf8.AppendRune(b, s.escape())
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[s.at:])
		b = utf8.AppendRune(b, r)
		s.at += size
	}
	return string(b)
}

func (s *scanner) escape() rune {
	if s.at >= len(s.text) {
		return utf8.RuneError
	}
	c := s.text[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return s.unicode()
	}
	s.fail("an unknown escape")
	return utf8.RuneError
}

func (s *scanner) unicode() rune {
	r := s.hex(s.at)
	s.at = min(s.at+4, len(s.text))
	if !utf16.IsSurrogate(r) {
		return r
	}
	if s.at+6 <= len(s.text) && s.text[s.at] == '\\' && s.text[s.at+1] == 'u' {
		if pair := utf16.DecodeRune(r, s.hex(s.at+2)); pair != utf8.RuneError {
			s.at += 6
			return pair
		}
	}
	return utf8.RuneError
}

// hex returns the four digits at a position.
func (s *scanner) hex(at int) rune {
	if at+4 <= len(s.text) {
		if n, err := strconv.ParseUint(s.text[at:at+4], 16, 16); err == nil {
			return rune(n)
		}
	}
	s.fail("four hexadecimal digits are missing")
	return utf8.RuneError
}

// skip passes over any value.
func (s *scanner) skip() {
	s.space()
	if s.at >= len(s.text) {
		s.fail("a value is missing")
		return
	}
	switch s.text[s.at] {
	case '{':
		s.object(func(string) { s.skip() })
	case '[':
		s.array(s.skip)
	case '"':
		s.str()
	default:
		s.word()
	}
}

// word passes over a number, true, false or null.
func (s *scanner) word() {
	start := s.at
	for s.at < len(s.text) && !delimits(s.text[s.at]) {
		s.at++
	}
	switch word := s.text[start:s.at]; word {
	case "true", "false", "null":
	default:
		if _, err := strconv.ParseFloat(word, 64); err != nil {
			s.at = start
			s.fail("a value is missing")
		}
	}
}

func delimits(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// end says that nothing may follow.
func (s *scanner) end() {
	if s.space(); s.at < len(s.text) {
		s.fail("something follows the end")
	}
}
