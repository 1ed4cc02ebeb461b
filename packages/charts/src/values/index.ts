// The value schemas by chart. Called by the generator, the renderer and the documentation.
import type Type from 'typebox';
import { baseValues } from './base.ts';
import { cniValues } from './cni.ts';
import { gatewayValues } from './gateway.ts';
import { istiodValues } from './istiod.ts';
import { ztunnelValues } from './ztunnel.ts';

/** Charts that an installation consists of, in the order in which they are installed. */
export const componentCharts = ['base', 'istiod', 'cni', 'ztunnel'] as const;

/** Name of a chart with templates of its own. */
export type ChartName = (typeof componentCharts)[number] | 'gateway';

/** Schema by chart. */
export const valueSchemas: Readonly<Record<ChartName, Type.TObject>> = {
  base: baseValues,
  istiod: istiodValues,
  cni: cniValues,
  ztunnel: ztunnelValues,
  gateway: gatewayValues,
};

/** Key under which existing files repeat a chart's fields (`pilot.env` beside `env`). */
export const valueRoots: Readonly<Partial<Record<ChartName, string>>> = {
  base: 'base',
  istiod: 'pilot',
  cni: 'cni',
  ztunnel: 'ztunnel',
};
