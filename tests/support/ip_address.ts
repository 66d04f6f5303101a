/** The ip-address package, which the tests of `lib/ip` compare with. */
export { Address4, Address6 } from "npm:ip-address@10.7.6";
