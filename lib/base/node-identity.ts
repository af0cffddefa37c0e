/** Which server it is: the node id, and the data folder that it belongs to. */
export interface NodeIdentity {
  /** The node id. */
  readonly node: string
  /** A UUID, made at random at the data folder's first start. Only a copy of the folder has the same. */
  readonly instance: string
}
