/** An object as a line of JSON holds it; what was expected there and is something else is absent. */
export class JsonObject {
  readonly #members: Readonly<Record<string, unknown>>;

  private constructor(members: Readonly<Record<string, unknown>>) {
    this.#members = members;
  }

  /** Undefined when the text is no JSON object, such as of a line that was cut. */
  static parse(text: string): JsonObject | undefined {
    try {
      return JsonObject.of(JSON.parse(text));
    } catch {
      return undefined;
    }
  }

  static of(value: unknown): JsonObject | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return new JsonObject(value as Record<string, unknown>);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#members, name);
  }

  keys(): string[] {
    return Object.keys(this.#members);
  }

  /** Of texts, numbers and truth values. */
  text(name: string): string | undefined {
    const value = this.has(name) ? this.#members[name] : undefined;
    return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
  }

  object(name: string): JsonObject | undefined {
    return this.has(name) ? JsonObject.of(this.#members[name]) : undefined;
  }

  /** The object that lies behind these names, one in the other. */
  inner(...names: string[]): JsonObject | undefined {
    return names.reduce<JsonObject | undefined>((object, name) => object?.object(name), this);
  }

  list(name: string): unknown[] {
    const value = this.has(name) ? this.#members[name] : undefined;
    return Array.isArray(value) ? value : [];
  }

  objects(name: string): JsonObject[] {
    return this.list(name).flatMap((each) => JsonObject.of(each) ?? []);
  }
}
