/** A part of an attachment that is missing or differs, and how it is put right. */
export interface Repair {
  /** Completes "to be done", like `add 10.1.0.2/24 to eth0`. */
  what: string;
  /** Puts it right. Takes nothing away that somebody else may have made. */
  apply(): void | Promise<void>;
}
