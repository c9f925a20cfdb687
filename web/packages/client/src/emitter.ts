/** A typed event emitter. Listeners are called in order, and one that throws doesn't stop the others. */

export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Adds a listener. Call the result to remove it. */
  on(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Removes every listener. */
  clear(): void {
    this.#listeners.clear();
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
