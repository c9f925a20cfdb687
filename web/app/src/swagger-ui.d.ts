/** What this app uses of it: the package brings no types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle" {
  import type { ComponentType, createElement, Fragment, ReactNode } from "react";

  type Component = ComponentType<{ text?: ReactNode }>;

  export type Plugin = (system: { React: { createElement: typeof createElement; Fragment: typeof Fragment } }) => {
    components: Record<string, Component>;
    wrapComponents: Record<string, (original: Component) => Component>;
  };

  export interface Options {
    url: string;
    dom_id: string;
    deepLinking: boolean;
    validatorUrl: string;
    plugins: readonly Plugin[];
  }

  export default function SwaggerUI(options: Options): unknown;
}
