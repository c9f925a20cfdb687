/** A typed event emitter: listeners are called in order and outlive one another's errors. */

export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Subscribes; call the result to stop. */
  on(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
