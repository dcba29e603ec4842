// Names shared by the modules behind "#files": where image sets lie, and how a platform reads them.

/** The image sets that are known by name. */
export type ImageSetName = "mnist" | "fashion-mnist";

/** Where files are read from: a folder (Node) or a URL that their names are appended to. */
export interface Place {
  readonly kind: "folder" | "url";
  readonly location: string;
}
