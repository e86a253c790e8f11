package profile

// How a contention profile is laid out in pprof's format. Waits for locks, waits that are no contention, and the time
// that holders made others wait are sample types of their own, of which a sample has one pair: so no total mixes them
// up, whichever tool adds them, and a menu of sample types chooses between them. The labels say the same for filters
// (-tagfocus=role=holder), and name the lock.

// valueTypes are the sample types and their units: in pairs, a count and a time.
var valueTypes = [...]struct{ name, unit string }{
	{"contentions", "count"}, {"delay", "nanoseconds"},
	{"waits", "count"}, {"waiting", "nanoseconds"},
	{"charges", "count"}, {"blocking", "nanoseconds"},
}

// defaultType is the one that pprof shows unless told otherwise.
const defaultType = "delay"

// column returns where in valueTypes the pair of a sample begins.
func column(s *Sample) int {
	switch {
	case s.Role == Holder:
		return 4
	case s.Side == Wait:
		return 2
	}
	return 0
}

// Labels. Waiters' samples are split by the length of the wait, as heap profiles are by the size of the allocation:
// labelWaited is the least that the waits of a sample have taken, and exact for the longest of a stack, which has a
// sample of its own. So percentiles can be had from the file, and -tagfocus=1ms: leaves the waits of that and more.
const (
	labelLock   = "lock"
	labelID     = "id"
	labelKind   = "kind"
	labelSide   = "side"
	labelThread = "thread"
	labelRole   = "role"
	labelWaited = "waited"
)

// noStack stands in the place of a stack that was dropped: pprof cannot show a sample without any.
const noStack = "[stack dropped]"

// A comment with this in front is for readers of this package; the others are for people.
const (
	machineComment  = "ft_utils.contention:"
	commandComment  = "command: "
	keyRate         = "rate"
	keyMinimum      = "minimum_ns"
	keyDropStacks   = "dropped_stacks"
	keyDropSamples  = "dropped_samples"
	holdersComment  = "holders (charges, blocking) are sampled in time"
	mappingFallback = "python"
)

// Field numbers of the messages of pprof's profile.proto.
const (
	profileSampleType  = 1
	profileSample      = 2
	profileMapping     = 3
	profileLocation    = 4
	profileFunction    = 5
	profileStrings     = 6
	profileTime        = 9
	profileDuration    = 10
	profilePeriodType  = 11
	profilePeriod      = 12
	profileComment     = 13
	profileDefaultType = 14

	valueType = 1
	valueUnit = 2

	sampleLocation = 1
	sampleValue    = 2
	sampleLabel    = 3

	labelKey     = 1
	labelStr     = 2
	labelNum     = 3
	labelNumUnit = 4

	mappingID            = 1
	mappingFile          = 5
	mappingHasFunctions  = 7
	mappingHasFilenames  = 8
	mappingHasLineNumber = 9

	locationID      = 1
	locationMapping = 2
	locationLine    = 4

	lineFunction = 1
	lineNumber   = 2

	functionID     = 1
	functionName   = 2
	functionSystem = 3
	functionFile   = 4
	functionStart  = 5
)
