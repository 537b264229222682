/** The demo's model, images and questions; {@code starling.DemoData} reads them. */
open module starling.demo {
  requires starling;

  provides starling.CompanionJar with
      starling.demo.DemoJar;
}
