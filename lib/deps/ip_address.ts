/**
 * The one place that names the ip-address package. It takes milliseconds of a start, so it is for
 * what people wait for: no plugin imports it.
 */
export { Address4, Address6 } from "npm:ip-address@10.7.6";
