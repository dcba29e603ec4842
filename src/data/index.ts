// The data room: datasets, loaders, splits, transforms and the readers of image sets.
export type { Collated } from "./collate.ts";
export type { HostArray, ScaledArray } from "./column.ts";
export { DataLoader, type DataLoaderOptions } from "./data-loader.ts";
export { type ColumnInput, type ColumnSample, type Dataset, Subset, TensorDataset } from "./dataset.ts";
export { type IdxArray, type IdxData, idx } from "./idx.ts";
export { fashionMnist, type ImageSet, type ImageSetOptions, mnist, type Normalization } from "./image-sets.ts";
export { HostRandom } from "./random.ts";
export { KFold, randomSplit } from "./split.ts";
export { TransformedDataset } from "./transformed-dataset.ts";
export * as transforms from "./transforms.ts";
