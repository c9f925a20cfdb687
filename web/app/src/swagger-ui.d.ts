/** What this app uses of it: the package brings no types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle" {
  export default function SwaggerUI(options: { url: string; dom_id: string; deepLinking: boolean; validatorUrl: string }): unknown;
}
