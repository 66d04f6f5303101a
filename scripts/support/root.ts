/** The project's directory, absolute, without a slash at the end. */
export const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname)
  .replace(/\/$/, "");
