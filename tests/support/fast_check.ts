/** The fast-check package: values to try, and the smallest of them that fails. */
export * as fc from "npm:fast-check@4.11.0";
