declare module "subset-font" {
  interface Recipe {
    targetFormat?: "woff2";
    keepFeatures?: readonly string[];
    variationAxes?: Record<string, { min: number; max: number }>;
  }
  export default function subsetFont(font: Buffer, text: string, recipe: Recipe): Promise<Buffer>;
}
