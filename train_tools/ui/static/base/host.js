// The WebUI whose tab shows this page, if one does: what its extension's script offers.

/** Null where we stand alone, or in a frame of somebody else. */
export function hostPage() {
  try {
    return parent === window ? null : (parent.trainToolsHost ?? null);
  } catch {
    return null; // a page of another origin
  }
}
