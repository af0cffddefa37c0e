/** Something that will happen. */
interface Event {
  readonly at: number
  readonly happen: () => void
}

/** Events in the order of their time: a binary heap. */
export class EventQueue {
  readonly #heap: Event[] = []

  add(at: number, happen: () => void): void {
    const heap = this.#heap
    let place = heap.push({ at, happen }) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!this.#isBefore(place, parent)) return
      this.#swap(place, parent)
      place = parent
    }
  }

  /** The earliest; undefined when nothing will happen any more. */
  take(): Event | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (heap.length === 0 || last === undefined) return first
    heap[0] = last
    for (let place = 0; ;) {
      const left = 2 * place + 1
      let child = left
      if (left + 1 < heap.length && this.#isBefore(left + 1, left)) child = left + 1
      if (child >= heap.length || !this.#isBefore(child, place)) return first
      this.#swap(place, child)
      place = child
    }
  }

  #isBefore(one: number, other: number): boolean {
    return (this.#heap[one]?.at ?? Infinity) < (this.#heap[other]?.at ?? Infinity)
  }

  #swap(one: number, other: number): void {
    const heap = this.#heap
    const moved = heap[one] as Event
    heap[one] = heap[other] as Event
    heap[other] = moved
  }
}
