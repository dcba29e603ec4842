// The browser's side of "#debug": pages have `explain`, and no environment.

import type { ShowPlan } from "./debug-node.ts";

/** Called for every plan that is made; null where nobody wants to see them. */
export const showPlan: ShowPlan | null = null;
