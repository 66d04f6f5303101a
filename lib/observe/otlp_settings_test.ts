import { assertEquals } from "@std/assert";
import { otlpSettings } from "./otlp_settings.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

Deno.test("traces go below the endpoint of all signals, or to their own as it is", () => {
  const url = (environment: Record<string, string>) => otlpSettings(environment)?.url;
  assertEquals(url(ENDPOINT), "http://collector:4318/v1/traces");
  assertEquals(
    url({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://collector/otlp/" }),
    "https://collector/otlp/v1/traces",
  );
  const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://traces:1/in" };
  assertEquals(url({ ...ENDPOINT, ...own }), "http://traces:1/in");
  assertEquals(url({}), undefined);
});

Deno.test("headers, resource and time are read as the specification has them", () => {
  const settings = otlpSettings({
    ...ENDPOINT,
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=a%20key, other = x=y ",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=mine,deployment.environment=test%2C1",
    OTEL_EXPORTER_OTLP_TIMEOUT: "10",
  });
  assertEquals(settings?.headers, { "api-key": "a key", other: "x=y" });
  assertEquals(settings?.resource, {
    "service.name": "mine",
    "deployment.environment": "test,1",
  });
  assertEquals(settings?.timeoutMs, 10);
  const named = otlpSettings({
    ...ENDPOINT,
    OTEL_SERVICE_NAME: "node",
    OTEL_RESOURCE_ATTRIBUTES: "service.name=mine",
    OTEL_EXPORTER_OTLP_HEADERS: "a=1",
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=2",
    OTEL_EXPORTER_OTLP_TIMEOUT: "60000",
  });
  assertEquals([named?.resource["service.name"], named?.headers], ["node", { b: "2" }]);
  assertEquals(named?.timeoutMs, 100);
  assertEquals(otlpSettings(ENDPOINT)?.resource, { "service.name": "cni" });
});

Deno.test("nothing is sent where that is said, or cannot be", () => {
  const none: Record<string, string>[] = [
    { OTEL_SDK_DISABLED: "TRUE" },
    { OTEL_TRACES_EXPORTER: "none" },
    { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: "not a URL" },
    { OTEL_EXPORTER_OTLP_HEADERS: "a" },
    { OTEL_EXPORTER_OTLP_HEADERS: "a=%zz" },
    { OTEL_EXPORTER_OTLP_CERTIFICATE: "/no/such/file" },
  ];
  for (const environment of none) {
    assertEquals(otlpSettings({ ...ENDPOINT, ...environment }), undefined);
  }
});
