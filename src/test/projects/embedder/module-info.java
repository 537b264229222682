/** A program that embeds the runtime and takes the demo's files and the kernels from their jars. */
module example.embedder {
  requires starling;
}
