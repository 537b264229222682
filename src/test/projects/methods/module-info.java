/** Pruning methods that starling does not have. */
module example.methods {
  requires starling;

  exports example.methods;

  provides starling.prune.MethodProvider with
      example.methods.DivPrune.Provider,
      example.methods.Outliers.Provider;
}
