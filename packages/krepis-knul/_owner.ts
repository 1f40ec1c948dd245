/** A state of the adapter with the object that the program knows it by, which is made on first use. */
export interface Owner<Facade> {
  readonly facade: Facade;
}
