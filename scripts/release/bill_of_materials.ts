/**
 * A bill of materials: SPDX 2.3, https://spdx.github.io/spdx-spec/v2.3/.
 *
 * @module
 */
import type { BundledPackage } from "./bundled.ts";
import type { Variant } from "./variants.ts";

/** What a bill of materials is about. */
export interface Product {
  version: string;
  commit: string;
  variant: Variant;
  /** The version of the runtime that the executable carries. */
  runtimeVersion: string;
  /** SHA-256 of the archive, in hex digits. */
  sha256: string;
  /** The archive's name. */
  archive: string;
  bundled: readonly BundledPackage[];
  created: Date;
}

const ROOT_ID = "SPDXRef-Package-cni";

/** Makes the document of an archive. */
export function billOfMaterials(product: Product): object {
  const { version, commit, variant, runtimeVersion, sha256, archive, bundled, created } = product;
  const packages = [
    {
      name: "cni",
      SPDXID: ROOT_ID,
      versionInfo: version,
      packageFileName: archive,
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "Apache-2.0",
      copyrightText: "NOASSERTION",
      sourceInfo: `commit ${commit}`,
      primaryPackagePurpose: "APPLICATION",
      checksums: [{ algorithm: "SHA256", checksumValue: sha256 }],
    },
    {
      name: variant.runtime,
      SPDXID: "SPDXRef-Package-runtime",
      versionInfo: runtimeVersion,
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "MIT",
      copyrightText: "NOASSERTION",
      comment: "The base executable. What it contains in turn is not listed here.",
    },
    ...bundled.map(({ name, version, license, sha512 }) => ({
      name,
      SPDXID: `SPDXRef-Package-npm-${`${name}-${version}`.replace(/[^A-Za-z0-9.-]+/g, "-")}`,
      versionInfo: version,
      downloadLocation: tarballOf(name, version),
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: license,
      copyrightText: "NOASSERTION",
      ...sha512 ? { checksums: [{ algorithm: "SHA512", checksumValue: sha512 }] } : {},
      externalRefs: [{
        referenceCategory: "PACKAGE-MANAGER",
        referenceType: "purl",
        referenceLocator: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      }],
    })),
  ];
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: archive,
    // A namespace must be unique to its document: the archive's checksum makes it so.
    documentNamespace: `urn:cni:spdx:${archive}:${sha256}`,
    creationInfo: {
      created: created.toISOString().replace(/\.\d+Z$/, "Z"),
      creators: ["Tool: deno task release"],
    },
    packages,
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", ROOT_ID),
      ...packages.slice(1).map(({ SPDXID }) => relation(ROOT_ID, "CONTAINS", SPDXID)),
    ],
  };
}

function relation(from: string, relationshipType: string, to: string): object {
  return { spdxElementId: from, relationshipType, relatedSpdxElement: to };
}

function tarballOf(name: string, version: string): string {
  return `https://registry.npmjs.org/${name}/-/${name.replace(/^.*\//, "")}-${version}.tgz`;
}
