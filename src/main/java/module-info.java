/** A transformer runtime for LLaVA-style models that drops visual tokens by attention. */
module starling {
  requires com.fasterxml.jackson.databind;
  requires java.desktop;
  requires static jdk.incubator.vector;

  exports starling.device;
}
