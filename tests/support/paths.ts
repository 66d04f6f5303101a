/** A file URL's path, without a slash at the end. */
export function fromFileUrl(url: URL): string {
  return decodeURIComponent(url.pathname).replace(/\/$/, "");
}
