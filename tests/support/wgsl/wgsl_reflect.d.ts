// The package's `main` is no module that Node can import; the file that is one has the same types.
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export * from "wgsl_reflect";
}
