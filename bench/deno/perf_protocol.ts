// What both servers share, so that they differ in nothing but QUIC.

/** What answers are made of. */
export const BLOCK: Uint8Array<ArrayBuffer> = new Uint8Array(256 * 1024);

/** How many bytes a request wants back: its first 8 bytes, which may come in several pieces. */
export class Header {
  answerBytes = 0;
  #seen = 0;

  take(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length && this.#seen < 8; i++, this.#seen++) {
      this.answerBytes = this.answerBytes * 256 + bytes[i];
    }
  }

  static of(bytes: Uint8Array): number {
    const header = new Header();
    header.take(bytes);
    return header.answerBytes;
  }
}
