package locks

import (
	"testing"
	"time"
)

// TestFamilyModel compares random traces with the models, step by step.
func TestFamilyModel(t *testing.T) {
	useLot(t, nil)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	const actors, interval = 6, 100
	semaphore, weighted := newSemaphoreModel(actors), newSemaphoreModel(actors)
	resizable := newResizableModel(actors)
	event := &eventModel{model: newModel(actors, 1)}
	condition := &conditionModel{model: newModel(actors, interval), told: make([]bool, actors)}
	foreign := &conditionModel{model: newModel(actors, interval), told: make([]bool, actors), foreign: true}
	aside := &conditionModel{model: newModel(actors, interval), told: make([]bool, actors), aside: true}
	barrier := newBarrierModel(actors, 4)
	for _, c := range []struct {
		name string
		sim  sim
		do   func(step)
		look func() view
	}{
		{"semaphore", newSemaphoreSim(actors, false), semaphore.do, func() view { return semaphore.look(semaphore.word) }},
		{"semaphore, weighted", newSemaphoreSim(actors, true), weighted.do, func() view { return weighted.look(weighted.word) }},
		{"resizable", newResizableSim(actors), resizable.do, func() view { return resizable.look(resizable.word) }},
		{"event", newEventSim(actors), event.do, func() view { return event.look(event.word) }},
		{"condition", newConditionSim(actors, interval, false), condition.do, condition.look},
		{"condition, foreign lock", newConditionSim(actors, interval, true), foreign.do, foreign.look},
		{"condition, set aside", newAsideSim(actors, interval), aside.do, aside.look},
		{"barrier", newBarrierSim(actors, 4), barrier.do, func() view { return barrier.look(barrier.word) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			useLotOf(t, c.sim)
			compare(t, seed, c.sim, c.do, c.look)
		})
	}
}
