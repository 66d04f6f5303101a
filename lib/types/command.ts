/** The commands of plugins: CNI_COMMAND. Specification, section 2 ("CNI operations"). */
export type CniCommand = "ADD" | "DEL" | "CHECK" | "STATUS" | "GC" | "VERSION";
