/**
 * Certificates for tests: an authority, a server at 127.0.0.1 and a client.
 *
 * @module
 */

/** A certificate and its key: paths, and their PEM texts. */
export interface Certificate {
  certFile: string;
  keyFile: string;
  cert: string;
  key: string;
}

/**
 * Makes an authority and what it vouches for, in a directory.
 * @param addresses of the server, beside 127.0.0.1
 */
export function makeCertificates(
  directory: string,
  addresses: readonly string[] = [],
): { ca: Certificate; server: Certificate; client: Certificate } {
  const ca = make(directory, "ca", ["-x509", "-subj", "/CN=test authority"]);
  const sign = (name: string, extension: string) =>
    make(directory, name, [
      ...["-x509", "-CA", ca.certFile, "-CAkey", ca.keyFile, "-subj", `/CN=${name}`],
      ...["-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE"],
    ]);
  return {
    ca,
    server: sign(
      "server",
      ["subjectAltName=DNS:localhost", ...["127.0.0.1", ...addresses].map((ip) => `IP:${ip}`)]
        .join(),
    ),
    client: sign("client", "extendedKeyUsage=clientAuth"),
  };
}

function make(directory: string, name: string, args: string[]): Certificate {
  const [certFile, keyFile] = [`${directory}/${name}.pem`, `${directory}/${name}.key`];
  const { success, stderr } = new Deno.Command("openssl", {
    args: [
      ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "2", "-keyout", keyFile, "-out", certFile, ...args],
    ],
  }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const [cert, key] = [certFile, keyFile].map((path) => Deno.readTextFileSync(path));
  return { certFile, keyFile, cert: cert!, key: key! };
}
