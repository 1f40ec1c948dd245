/** An internal state with its public object, which is made on first use. */
export interface Owner<Facade> {
  readonly facade: Facade;
}
